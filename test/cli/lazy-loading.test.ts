/** What the command loads: cron starts it often, and mostly for nothing new. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { projectRoot } from '../support/project.ts';
import { inTemporaryFolder, sampleDay } from '../support/run-mailproc.ts';

const heavy = 'sharp mysql2 yaml pino cli-progress cli-table3 date-fns fast-xml-parser fzstd pako'.split(' ');
const decoders = ['packet', 'stream', 'dialogue', 'message'];

/** Packages and folders of src of which any file was loaded; V8 writes down every script it has compiled. */
function loadedBy(folder: string, ...argv: readonly string[]): Set<string> {
  const coverage = join(folder, `loaded-${readdirSync(folder).length}`);
  const command = [join(projectRoot, 'bin/mailproc.js'), ...argv];
  const env = { ...process.env, NODE_V8_COVERAGE: coverage };
  const { status, stderr } = spawnSync(process.execPath, command, { cwd: folder, env, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  const names = readdirSync(coverage).flatMap((name) => {
    const { result } = JSON.parse(readFileSync(join(coverage, name), 'utf8')) as {
      result: readonly { url: string }[];
    };
    return result.map(({ url }) => /\/(?:node_modules|dist\/src)\/(@[^/]+\/[^/]+|[^/]+)\//.exec(url)?.[1]);
  });
  return new Set(names.filter((name) => name !== undefined));
}

test('mailproc on a day without captures loads the store and nothing that decodes', () =>
  inTemporaryFolder(async (folder) => {
    mkdirSync(join(folder, 'captures'));
    const loaded = loadedBy(folder, 'captures', 'null', '--quiet');
    assert.ok(loaded.has('libsql') && loaded.has('commander'), [...loaded].join(' '));
    assert.deepEqual(
      [...heavy, ...decoders].filter((name) => loaded.has(name)),
      [],
    );
  }));

test('mailproc on a day with mail loads what decodes, and no server, picture, table or log library', () =>
  inTemporaryFolder(async (folder) => {
    const loaded = loadedBy(folder, sampleDay, '20220128', '--quiet');
    assert.ok([...decoders, 'pako'].every((name) => loaded.has(name)));
    const unused = ['mysql2', 'yaml', 'pino', 'cli-progress', 'cli-table3', 'fast-xml-parser', 'fzstd'];
    assert.deepEqual(
      unused.filter((name) => loaded.has(name)),
      [],
    );
  }));

test('mailproc --store ndjson:FILE loads no database, --log json loads pino', () =>
  inTemporaryFolder(async (folder) => {
    mkdirSync(join(folder, 'captures'));
    const loaded = loadedBy(folder, 'captures', 'null', '--store', 'ndjson:x', '--log', 'json');
    assert.deepEqual([loaded.has('libsql'), loaded.has('pino')], [false, true]);
  }));
