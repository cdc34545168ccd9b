/** Locates the corpus of real captures that may lie beside the project; tests skip where it does not. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Full path of the corpus or of something in it; undefined when it is not there. */
export function sharedCaptures(...parts: readonly string[]): string | undefined {
  const root = projectRoot();
  if (root === undefined) return undefined;
  const path = join(root, '..', 'shared', 'captures', ...parts);
  return existsSync(path) ? path : undefined;
}

/** The folder with package.json, above the sources or the compiled tests. */
export function projectRoot(): string | undefined {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) return undefined;
    folder = parent;
  }
  return folder;
}
