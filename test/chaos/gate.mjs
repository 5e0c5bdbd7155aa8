// Loaded before the controller's program: has the modules read, and waits until the process is wanted. Most of a start is
// reading modules, and a run of many kills would be mostly that.
await import('../../dist/src/controller/main.js')
await new Promise(resolve => process.once('message', resolve))
