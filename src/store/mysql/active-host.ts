/** Which write host of each data host is active, over runs: MyCat's `dnindex.properties`. */
import { MailprocError } from '../../core/errors.ts';
import { readProperties, updateProperties } from './properties-file.ts';

/** Index of the active write host, in the order of the configuration, by data host. Empty without a file. */
export async function readActiveHosts(path: string): Promise<ReadonlyMap<string, number>> {
  const properties = (await readProperties(path)) ?? new Map<string, string>();
  return new Map(
    [...properties].map(([dataHost, index]) => [dataHost, indexOf(dataHost, index.trim(), path)]),
  );
}

/** Remembers one data host and leaves the others as they are. Resolves once that is durable. */
export async function rememberActiveHost(path: string, dataHost: string, index: number): Promise<void> {
  await updateProperties(path, () => new Map([[dataHost, String(index)]]));
}

function indexOf(dataHost: string, text: string, path: string): number {
  if (/^\d{1,4}$/.test(text)) return Number(text);
  const message = `read ${path}: "${text}" is no index of a write host of ${dataHost}`;
  throw new MailprocError('config.active-host', message, {
    hint: 'write 0 for the first write host, 1 for the second; or remove the line',
  });
}
