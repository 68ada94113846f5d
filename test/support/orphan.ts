// Vitest set-up of each worker: one whose main process is killed ends too, and with it every server that it has started.
process.once('disconnect', () => process.exit(1));
