/** The shape of the code, kept by a test: who may import whom, sizes, leftovers. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { projectRoot } from './support/project.ts';

const stages = ['capture', 'packet', 'stream', 'dialogue', 'message', 'record', 'store'] as const;

/** Folder → folders of which it may call functions, and folders of which it may use types. */
const mayImport: Readonly<
  Record<string, { readonly values: readonly string[]; readonly types: readonly string[] }>
> = {
  core: { values: [], types: [] },
  capture: { values: ['core'], types: [] },
  packet: { values: ['core'], types: ['capture'] },
  stream: { values: ['core'], types: ['packet'] },
  dialogue: { values: ['core'], types: ['stream'] },
  message: { values: ['core'], types: [] },
  record: { values: ['core'], types: ['dialogue', 'message'] },
  store: { values: ['core'], types: ['record'] },
  pipeline: { values: ['core', ...stages], types: [] },
  cli: { values: ['core', 'pipeline'], types: [] },
};

/** Lines a file may have before somebody must say why it is better whole. */
const fileLinesMax = 400;
const longFiles: Readonly<Record<string, string>> = {
  'src/core/limits.ts': 'a table, and every bound is to be found in one place',
};

/** Lines a function or method may have. */
const functionLinesMax = 60;
const longFunctions: Readonly<Record<string, string>> = {};

interface Import {
  readonly file: string;
  readonly target: string;
  readonly typesOnly: boolean;
}

test('every import keeps to the table of who may import whom', () => {
  const broken = sources().flatMap((file) => importsOf(file).filter((each) => !isAllowed(each)));
  assert.deepEqual(
    broken.map(({ file, target }) => `${file} imports ${target}`),
    [],
  );
});

test('every folder of src is in the table of who may import whom', () => {
  const folders = readdirSync(join(projectRoot, 'src'), { withFileTypes: true }).filter((entry) =>
    entry.isDirectory(),
  );
  assert.deepEqual(folders.map(({ name }) => name).sort(), Object.keys(mayImport).sort());
});

/** Used from outside: the command, the beginnings of threads, and by programs that use mailproc as a library. */
const entryPoints = [
  'src/cli/main.ts',
  'src/pipeline/making/maker-thread.ts',
  'src/pipeline/series-worker.ts',
  'src/store/memory/memory-sink.ts',
  'src/store/sqlite/writer-thread.ts',
];

test('every file of src is imported by another one, but the entry points', () => {
  const imported = new Set(sources().flatMap((file) => importsOf(file).map((each) => each.target)));
  const orphans = sources().filter((file) => !imported.has(file) && !entryPoints.includes(file));
  assert.deepEqual(orphans, []);
});

test('files stay short, but the named exceptions', () => {
  const long = sources().filter((file) => read(file).split('\n').length > fileLinesMax);
  assert.deepEqual(long.sort(), Object.keys(longFiles).sort());
});

test('functions fit a screen, but the named exceptions', () => {
  const long = sources().flatMap((file) => longFunctionsOf(file));
  assert.deepEqual(long.sort(), Object.keys(longFunctions).sort());
});

test('nothing is left over: no notes to do, no debugging, no console outside the command line', () => {
  const notes = /\b(?:TODO|FIXME|XXX|HACK)\b|\bdebugger\b/;
  const all = [...sources(), ...files('test'), ...files('bench')].filter(
    (file) => file !== 'test/tidy.test.ts',
  );
  const found = all.filter(
    (file) => notes.test(read(file)) || (file.startsWith('src/') && /\bconsole\./.test(read(file))),
  );
  assert.deepEqual(found, []);
});

test('only the command line uses the process', () => {
  const allowed = /^src\/(?:cli\/|store\/process\.ts)/;
  const found = sources().filter(
    (file) => !allowed.test(file) && /\bprocess\.(?:std|exit|on|argv|env)/.test(read(file)),
  );
  assert.deepEqual(found, []);
});

test('every module opens with what it is', () => {
  const mute = sources().filter((file) => !read(file).startsWith('/**'));
  assert.deepEqual(mute, []);
});

function isAllowed({ file, target, typesOnly }: Import): boolean {
  const from = folderOf(file);
  const to = folderOf(target);
  if (from === to) return true;
  const rule = mayImport[from];
  assert(rule, `${from} is not in the table`);
  // A stage's types.ts is what it hands on: its few constants travel like types.
  const isType = typesOnly || target.endsWith('/types.ts');
  return rule.values.includes(to) || (isType && rule.types.includes(to));
}

function folderOf(file: string): string {
  return file.split('/')[1] ?? '';
}

/** Relative imports and re-exports, those over several lines too. */
function importsOf(file: string): Import[] {
  const statement = /^(?:import|export)\s+(type\s+)?([^;'"]*?)\s*(?:from\s+)?'(\.[^']+)'/gm;
  const dynamic = /\bimport\(\s*'(\.[^']+)'\s*\)/g;
  const text = read(file);
  const resolve = (target: string) => relative(projectRoot, join(projectRoot, dirname(file), target));
  const direct = [...text.matchAll(statement)].map(([, type, names = '', target = '']) => {
    const inBraces = /^\{([^}]*)\}$/
      .exec(names.trim())?.[1]
      ?.split(',')
      .filter((name) => name.trim() !== '');
    const allTypes = inBraces?.every((name) => /^\s*type\s/.test(name)) ?? false;
    return { file, target: resolve(target), typesOnly: type !== undefined || allTypes };
  });
  const later = [...text.matchAll(dynamic)].map(([, target = '']) => ({
    file,
    target: resolve(target),
    typesOnly: false,
  }));
  return [...direct, ...later];
}

/** By the formatter's indentation: a function ends at the brace in the column where it began. */
function longFunctionsOf(file: string): string[] {
  const opening =
    /^( *)(?:export )?(?:async )?(?:function\b|(?:static |override |async |get |set |\*)*[#\w]+(?:<.*>)?\().*\{$/;
  const lines = read(file).split('\n');
  return lines.flatMap((line, start) => {
    const indentation = opening.exec(line)?.[1];
    if (indentation === undefined || /^\s*(?:if|for|while|switch|return|catch)\b/.test(line)) return [];
    const length = lines.slice(start).indexOf(`${indentation}}`) + 1;
    return length > functionLinesMax ? [`${file}: ${line.trim()}`] : [];
  });
}

function sources(): string[] {
  return files('src');
}

function files(folder: string): string[] {
  const entries = readdirSync(join(projectRoot, folder), { recursive: true, encoding: 'utf8' });
  return entries.filter((name) => name.endsWith('.ts')).map((name) => join(folder, name));
}

function read(file: string): string {
  return readFileSync(join(projectRoot, file), 'utf8');
}
