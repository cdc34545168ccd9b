/** Captures that are no part of the project but may lie beside it; tests over them are skipped where they do not. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from './project.ts';

/** Full path of the corpus or of something in it; undefined where it is not there. */
export function sharedCaptures(...parts: readonly string[]): string | undefined {
  const path = sharedPath(join(...parts));
  return existsSync(path) ? path : undefined;
}

/** Full path of `relative` in the corpus, there or not. */
export function sharedPath(relative: string): string {
  return join(projectRoot, '..', 'shared', 'captures', relative);
}

/** Names in a folder of the corpus, sorted; none where it is not there. */
export function sharedNames(folder: string): readonly string[] {
  const path = sharedCaptures(folder);
  return path === undefined ? [] : readdirSync(path).sort();
}

/** A JSON file of the corpus, unchecked; undefined where it is not there. */
export function sharedJson(relative: string): unknown {
  const path = sharedCaptures(relative);
  return path === undefined ? undefined : JSON.parse(readFileSync(path, 'utf8'));
}
