import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../controller.js'
import { childrenOf, start, stop } from '../process.js'

const nginx = '/usr/sbin/nginx'
const module = '/usr/lib/nginx/modules/ngx_nchan_module.so'

/** Whether nginx with nchan is installed (Debian's nginx and libnginx-mod-nchan). */
export const hasNchan = existsSync(nginx) && existsSync(module)

/** nginx with one worker, on the core that is measured. */
export async function startNchan(): Promise<{ port: number; pids: number[]; stop: () => Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), 'zeek-cluster-bench-nginx-'))
  const port = await freePort()
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map(name => `${name}_temp_path ${directory}/${name};`)
    .join(' ')
  await writeFile(
    join(directory, 'nginx.conf'),
    `
load_module ${module};
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid ${directory}/pid;
error_log stderr crit;
events { worker_connections 19000; }
http {
  access_log off;
  keepalive_requests 1000000;
  ${temporary}
  nchan_message_buffer_length 4000;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location = /publish { nchan_publisher; nchan_channel_id bench; }
    location = /stream { nchan_subscriber eventsource; nchan_channel_id bench; nchan_subscriber_first_message newest; }
  }
}
`
  )
  const master = start(0, nginx, ['-p', directory, '-c', join(directory, 'nginx.conf'), '-e', 'stderr'])
  // It listens before it has a worker.
  while (!(await accepts(port)) || childrenOf(master.pid!).length === 0) {
    if (master.exitCode !== null) throw new Error('nginx did not start')
    await sleep(20)
  }
  return {
    port,
    pids: [master.pid!, ...childrenOf(master.pid!)],
    stop: async () => {
      await stop(master)
      await rm(directory, { recursive: true, force: true })
    }
  }
}

async function accepts(port: number): Promise<boolean> {
  return await new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    }).on('error', () => resolve(false))
  })
}
