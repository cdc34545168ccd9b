/** The version of this mailproc, as in package.json. */
import { readFileSync } from 'node:fs';

interface PackageDescription {
  readonly version: string;
}

/** Compiled, this file lies three folders below package.json. */
const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');

export const version: string = (JSON.parse(text) as PackageDescription).version;
