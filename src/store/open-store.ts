/** The store that a URL of the command line or the configuration names. */
import { env, stdout } from 'node:process';
import type { Writable } from 'node:stream';
import { MailprocError } from '../core/errors.ts';
import type { ClusterSettings } from './mysql/types.ts';
import type { Sink } from './sink.ts';

export interface StoreOptions {
  /** Where `ndjson:-` writes. */
  readonly output?: Writable;
  /** For reading: `open` of the sink throws `store.missing` where the store is not there, and creates none. */
  readonly mustExist?: boolean;
  /** Passwords are read from it. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** What the operator should know, now and later: an odd setting, a failover, a value that was cut. */
  readonly report?: (code: string, detail: string) => void;
}

/** What a store URL names, without a step towards it. */
export type StoreAddress =
  | { readonly kind: 'sqlite' | 'ndjson'; readonly path: string }
  | { readonly kind: 'mysql' | 'cluster' | 'mycat'; readonly url: string };

const storeForms =
  'stores are sqlite:FILE, ndjson:FILE, ndjson:- (standard output), mysql://USER@HOST[:PORT], cluster:FILE and mycat:DIR';

/** Reads the configuration the URL names; nothing else is touched before `open` of the sink. */
export async function openStore(url: string, options: StoreOptions = {}): Promise<Sink> {
  const { output = stdout, mustExist = false } = options;
  const address = parseStoreUrl(url);
  // Nobody pays for the code of a store that is not used.
  switch (address.kind) {
    case 'sqlite': {
      const { SqliteSink } = await import('./sqlite/sqlite-sink.ts');
      return new SqliteSink(address.path, { mustExist });
    }
    case 'ndjson':
      return openLines(address.path, output, mustExist);
    default: {
      const settings = await readClusterSettings(url, options);
      const { MysqlSink } = await import('./mysql/mysql-sink.ts');
      const report = options.report ?? (() => {});
      return new MysqlSink(settings, { url: withoutPassword(url), report, mustExist });
    }
  }
}

async function openLines(path: string, output: Writable, mustExist: boolean): Promise<Sink> {
  if (path === '-') {
    const { NdjsonStreamSink } = await import('./ndjson/ndjson-stream-sink.ts');
    return new NdjsonStreamSink(output);
  }
  const { NdjsonFileSink } = await import('./ndjson/ndjson-file-sink.ts');
  return new NdjsonFileSink(path, { mustExist });
}

/** Throws `usage.store` where the URL has none of the known forms. */
export function parseStoreUrl(url: string): StoreAddress {
  const colon = url.indexOf(':');
  const scheme = url.slice(0, colon);
  const path = url.slice(colon + 1);
  if (path !== '' && !path.includes('\0')) {
    if (scheme === 'sqlite' || scheme === 'ndjson') return { kind: scheme, path };
    if (scheme === 'mysql' || scheme === 'cluster' || scheme === 'mycat') return { kind: scheme, url };
  }
  throw new MailprocError('usage.store', `open store ${withoutPassword(url)}: this is no store URL`, {
    hint: storeForms,
  });
}

/** The servers, tables and sequence behind `mysql://…`, `cluster:FILE` or `mycat:DIR`; tells what is odd in them. */
export async function readClusterSettings(url: string, options: StoreOptions = {}): Promise<ClusterSettings> {
  const settings = await parseSettings(url, options.environment ?? env);
  for (const warning of settings.warnings) options.report?.('config.warning', warning);
  return settings;
}

async function parseSettings(
  url: string,
  environment: NonNullable<StoreOptions['environment']>,
): Promise<ClusterSettings> {
  if (url.startsWith('mysql:')) {
    const { parseMysqlUrl } = await import('./mysql/config/url.ts');
    return parseMysqlUrl(url, environment);
  }
  if (url.startsWith('cluster:')) {
    const { readClusterFile } = await import('./mysql/config/yaml.ts');
    return readClusterFile(url.slice('cluster:'.length), environment);
  }
  return readMycat(url);
}

/** `mycat:DIR[?time-zone=ZONE&schema=documented]`; a directory may have a `?` in its name where no parameter follows. */
async function readMycat(url: string): Promise<ClusterSettings> {
  const [, directory = '', query = ''] =
    /^mycat:(.*?)(?:\?((?:[\w-]+=[^&?]*)(?:&[\w-]+=[^&?]*)*))?$/s.exec(url) ?? [];
  const parameters = new Map<string, string>();
  for (const pair of query.split('&').filter((each) => each !== '')) {
    const [name = '', value = ''] = pair.split('=', 2);
    if (parameters.has(name)) throw mycatError(url, `the parameter ${name} is given twice`);
    parameters.set(name, decodeParameter(value, url));
  }
  const unknown = [...parameters.keys()].find((name) => !['time-zone', 'schema'].includes(name));
  if (unknown !== undefined) throw mycatError(url, `unknown parameter "${unknown}"`);
  const timeZone = parameters.get('time-zone');
  const schema = parameters.get('schema');
  if (schema !== undefined && schema !== 'wide' && schema !== 'documented') {
    throw mycatError(url, `schema is "${schema}"; it can be wide or documented`);
  }
  const { readMycatDirectory } = await import('./mysql/config/mycat/read-directory.ts');
  return readMycatDirectory(directory, {
    ...(timeZone === undefined ? {} : { timeZone }),
    ...(schema === undefined ? {} : { schema }),
  });
}

function decodeParameter(text: string, url: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw mycatError(url, 'it holds a % that is followed by no code');
  }
}

function mycatError(url: string, problem: string): MailprocError {
  return new MailprocError('usage.store', `open store ${url}: ${problem}`, {
    hint: 'write mycat:DIR, or mycat:DIR?time-zone=Asia/Shanghai&schema=documented',
  });
}

/** For messages and reports, which end up in logs. */
export function withoutPassword(url: string): string {
  return url.replace(/(\/\/[^:/@]*):.*@/s, '$1:***@');
}
