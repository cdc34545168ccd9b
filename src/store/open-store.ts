/** The store that a URL of the command line or the configuration names. */
import { stdout } from 'node:process';
import type { Writable } from 'node:stream';
import { MailprocError } from '../core/errors.ts';
import { NdjsonFileSink } from './ndjson/ndjson-file-sink.ts';
import { NdjsonStreamSink } from './ndjson/ndjson-stream-sink.ts';
import type { Sink } from './sink.ts';
import { SqliteSink } from './sqlite/sqlite-sink.ts';

export interface StoreOptions {
  /** Where `ndjson:-` writes. */
  readonly output?: Writable;
  /** For reading: `open` of the sink throws `store.missing` where there is no such file, and creates none. */
  readonly mustExist?: boolean;
}

/** Nothing is touched before `open` of the sink. */
export function openStore(url: string, options: StoreOptions = {}): Sink {
  const { output = stdout, mustExist = false } = options;
  const colon = url.indexOf(':');
  const scheme = url.slice(0, colon);
  const rest = url.slice(colon + 1);
  if (scheme === 'mysql' || scheme === 'cluster') {
    throw new MailprocError(
      'usage.store',
      `open store ${withoutPassword(url)}: ${scheme} is not in this version`,
      {
        hint: storeForms,
      },
    );
  }
  if (rest !== '' && !rest.includes('\0')) {
    if (scheme === 'sqlite') return new SqliteSink(rest, { mustExist });
    if (scheme === 'ndjson')
      return rest === '-' ? new NdjsonStreamSink(output) : new NdjsonFileSink(rest, { mustExist });
  }
  throw new MailprocError('usage.store', `open store ${withoutPassword(url)}: this is no store URL`, {
    hint: storeForms,
  });
}

const storeForms = 'stores are `sqlite:FILE`, `ndjson:FILE` and `ndjson:-` for standard output';

/** Messages end up in logs. */
function withoutPassword(url: string): string {
  return url.replace(/(\/\/[^:/@]*):[^@]*@/, '$1:***@');
}
