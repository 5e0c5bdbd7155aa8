import { once } from 'node:events'
import { accessSync, constants, mkdirSync, statSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { AppError } from '../errors.js'

/**
 * Makes sure that one process at a time owns a directory. The lock is a socket without a file (an abstract one): the
 * kernel frees it with the process, however that ends. Close the server to release it.
 */
export async function lockDirectory(directory: string): Promise<Server> {
  mkdirSync(directory, { recursive: true })
  // Checked here, so that the error names the directory itself, and not the first file that is to be in it.
  accessSync(directory, constants.W_OK | constants.X_OK)
  const { dev, ino } = statSync(directory)
  const server = createServer(socket => socket.destroy())
  server.listen(`\0zeek-cluster-${dev}-${ino}`)
  try {
    await once(server, 'listening')
  } catch (error) {
    throw new AppError('unavailable', `another zeek-cluster runs with the state directory ${directory}`, {
      cause: error
    })
  }
  return server.unref()
}
