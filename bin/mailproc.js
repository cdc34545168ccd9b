#!/usr/bin/env node
// CommonJS, because the loader of modules uses the pool of threads, and its size is read at the first use. Images
// become durable by as many threads as wait for the disk: a file system's journal commits all of them together.
process.env.UV_THREADPOOL_SIZE ??= '64';

import('../dist/src/cli/main.js').then(async ({ main }) => {
  process.exitCode = await main(process.argv.slice(2));
});
