import { zeekPath } from './scripts.js'

export const VERSION = '9.0.0'

/** The part of the real text that the stand-in understands. */
export function usage(): string {
  return `zeek version ${VERSION} (stand-in)
usage: zeek [options] [file ...]
    <file>                          | Zeek script file, or read stdin (-)
    -a|--parse-only                 | exit immediately after parsing scripts
    -b|--bare-mode                  | don't load scripts from the base/ directory
    -e|--exec <zeek code>           | augment loaded scripts by given code
    -f|--filter <filter>            | tcpdump filter
    -h|--help                       | command line help
    -i|--iface <interface>          | read from given interface (only one allowed)
    -r|--readfile <readfile>        | read from given tcpdump file (only one allowed, pass '-' as the filename to read from stdin)
    -v|--version                    | print version and exit
    -C|--no-checksums               | ignore checksums
    -N|--print-plugins              | print available plugins and exit (-NN for verbose)
    -U|--status-file <file>         | Record process status in file
    $ZEEKPATH                       | file search path (${zeekPath()})
    $ZEEK_PLUGIN_PATH               | plugin search path (/opt/zeek/lib/zeek/plugins)
    $ZEEK_LOG_SUFFIX                | ASCII log file extension (.log)
`
}

export const PLUGINS = `Zeek::AF_Packet - Packet acquisition via AF_Packet (built-in)
Zeek::AsciiWriter - ASCII log writer (built-in)
Zeek::Cluster_Backend_Broker - Cluster backend powered by Broker (built-in)
Zeek::Cluster_Backend_ZeroMQ - Cluster backend using ZeroMQ (built-in)
Zeek::Cluster_WebSocket - Provides WebSocket access to a Zeek cluster (built-in)
Zeek::HTTP - HTTP analyzer (built-in)
Zeek::Pcap - Packet acquisition via libpcap (built-in)
`
