/** A mapping of a YAML file, read key by key; every error names file, line and path of the key. */
import { type Document, isMap, isScalar, LineCounter, parseDocument } from 'yaml';
import { MailprocError } from '../../../core/errors.ts';
import { configError, nearestOf, unknownKeyError } from './config-error.ts';

interface Source {
  readonly name: string;
  readonly document: Document.Parsed;
  readonly lines: LineCounter;
}

export class Section {
  readonly #source: Source;
  readonly #path: readonly (string | number)[];
  readonly #values: ReadonlyMap<string, unknown>;

  /** Only for this module: use `parseSections`. */
  constructor(source: Source, path: readonly (string | number)[], value: unknown) {
    this.#source = source;
    this.#path = path;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw configError(this.where(), 'a mapping of keys to values is expected');
    }
    this.#values = new Map(Object.entries(value));
  }

  /** Of this section or of a key in it. */
  where(key?: string | number): string {
    return place(this.#source, key === undefined ? this.#path : [...this.#path, key]);
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  keys(): readonly string[] {
    return [...this.#values.keys()];
  }

  value(key: string): unknown {
    return this.#values.get(key);
  }

  /** Throws where there is a key that is not among them. */
  allow(known: readonly string[]): void {
    const unknown = this.keys().find((key) => !known.includes(key));
    if (unknown !== undefined) throw unknownKeyError(this.where(unknown), unknown, known);
  }

  section(key: string): Section {
    if (!this.has(key)) throw configError(this.where(), `the key ${key} is missing`);
    return new Section(this.#source, [...this.#path, key], this.value(key));
  }

  /** Texts and sections of a list; one that is no list counts as a list of one. */
  list(key: string): readonly (string | Section)[] {
    const value = this.value(key);
    if (value === undefined || value === null)
      throw configError(this.where(key), `the key ${key} is missing`);
    const items: readonly unknown[] = Array.isArray(value) ? value : [value];
    return items.map((item, index) => {
      if (typeof item === 'string') return item;
      return new Section(this.#source, [...this.#path, key, ...(Array.isArray(value) ? [index] : [])], item);
    });
  }

  text(key: string): string {
    const text = this.optionalText(key);
    if (text === undefined) throw configError(this.where(), `the key ${key} is missing`);
    return text;
  }

  /** Numbers are taken as they print: a password file may be called 7, and a begin may be 20220127. */
  optionalText(key: string): string | undefined {
    const value = this.value(key);
    if (value === undefined || value === null) return undefined;
    if (typeof value === 'number') return String(value);
    if (typeof value !== 'string' || value === '') throw configError(this.where(key), 'a text is expected');
    return value;
  }

  integer(key: string, bounds: { readonly min: number; readonly max: number }, fallback: number): number {
    const value = this.value(key);
    if (value === undefined) return fallback;
    const isWithin =
      typeof value === 'number' && Number.isInteger(value) && value >= bounds.min && value <= bounds.max;
    if (isWithin) return value;
    throw configError(this.where(key), `a whole number from ${bounds.min} to ${bounds.max} is expected`);
  }

  choice<Value extends string | number | boolean>(
    key: string,
    values: readonly Value[],
    fallback: Value,
  ): Value {
    const given = this.value(key);
    if (given === undefined) return fallback;
    const value = values.find((each) => each === given);
    if (value !== undefined) return value;
    const hint = typeof given === 'string' ? nearestOf(given, values.map(String)) : undefined;
    throw configError(this.where(key), `one of ${values.join(', ')} is expected`, hint);
  }
}

/** `name` is the file's, for errors. Anchors, aliases and merge keys work; a bomb of aliases is an error. */
export function parseSections(text: string, name: string): Section {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, merge: true, prettyErrors: false });
  const source: Source = { name, document, lines };
  const [error] = [...document.errors, ...document.warnings];
  if (error !== undefined) throw syntaxError(error, `${name} line ${lines.linePos(error.pos[0]).line}`);
  try {
    return new Section(source, [], document.toJS({ maxAliasCount: 100 }));
  } catch (cause) {
    if (cause instanceof MailprocError) throw cause;
    throw syntaxError(cause, name);
  }
}

function syntaxError(cause: unknown, where: string): MailprocError {
  const [firstLine = ''] = (cause as Error).message.split('\n');
  return new MailprocError('config.syntax', `read ${where}: ${firstLine}`, { cause });
}

/** `cluster.yaml line 12, key dataHosts.hostA.balance` */
function place({ name, document, lines }: Source, path: readonly (string | number)[]): string {
  const line = lineOf(document, lines, path);
  const key = path.reduce<string>(
    (text, part) => text + (typeof part === 'number' ? `[${part}]` : `.${part}`),
    '',
  );
  return `${name}${line === undefined ? '' : ` line ${line}`}${key === '' ? '' : `, key ${key.slice(1)}`}`;
}

/** undefined where the way leads through an alias. */
function lineOf(
  document: Document.Parsed,
  lines: LineCounter,
  path: readonly (string | number)[],
): number | undefined {
  const parent: unknown = path.length === 0 ? document.contents : document.getIn(path.slice(0, -1), true);
  const pair = isMap(parent)
    ? parent.items.find(({ key }) => isScalar(key) && key.value === path.at(-1))
    : undefined;
  const node: unknown = isScalar(pair?.key) ? pair.key : document.getIn(path, true);
  const range = (node as { readonly range?: readonly [number, number, number] } | undefined)?.range;
  return range === undefined ? undefined : lines.linePos(range[0]).line;
}
