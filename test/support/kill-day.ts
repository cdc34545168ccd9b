/** A day of captures that is read while it is written, by runs that are killed: what is in the store in the end. */
import { spawn } from 'node:child_process';
import { hash } from 'node:crypto';
import { once } from 'node:events';
import { appendFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openStore } from '../../src/store/open-store.ts';
import { type CaptureToWrite, writtenAt } from './growing-captures.ts';
import { projectRoot } from './project.ts';
import type { SeededRandom } from './random.ts';

export interface KilledDay {
  readonly folder: string;
  readonly captures: readonly CaptureToWrite[];
  /** `yyyy-MM-dd` */
  readonly day: string;
  readonly kills: number;
  readonly random: SeededRandom;
  /** Two stores of a kind, both empty. */
  readonly killed: string;
  readonly undisturbed: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Called after each kill: another machine would wait for the lease to end. */
  readonly expireLeases?: () => Promise<void>;
}

export interface KilledOutcome {
  /** Runs that were killed before they came to their end: as many as were wanted, or all there were pieces for. */
  readonly killed: number;
  /** Images of the undisturbed run that are missing, or other octets. */
  readonly imagesLost: readonly string[];
  readonly expected: readonly string[];
  readonly found: readonly string[];
}

/**
 * Kills as many runs as there are kills, each at a random moment, while the captures are written piece by piece.
 * Some come to their end before: there are more pieces than kills.
 */
export async function killDay(task: KilledDay): Promise<KilledOutcome> {
  const { folder, captures, kills, random, killed: store, environment } = task;
  const finished = join(folder, 'finished');
  mkdirSync(finished);
  for (const { name, bytes } of captures) writeOld(join(finished, name), bytes);
  const began = performance.now();
  await finish(task, finished, task.undisturbed);
  let wholeRunMs = performance.now() - began;
  const growing = join(folder, 'captures');
  mkdirSync(growing);
  const pieces = cut(captures, kills + Math.ceil(kills / 2), random);
  let killed = 0;
  for (const { name, bytes } of pieces) {
    appendFileSync(join(growing, name), bytes);
    if (killed === kills) continue;
    const child = start(task, growing, store, environment);
    const startedAt = performance.now();
    const ended = once(child, 'exit');
    await Promise.race([sleep(random.fraction() * wholeRunMs), ended]);
    child.kill('SIGKILL');
    await ended;
    if (child.signalCode === 'SIGKILL') killed++;
    else wholeRunMs = performance.now() - startedAt;
    await task.expireLeases?.();
  }
  for (const { name } of captures) writtenAt(join(growing, name), longAgo());
  await finish(task, growing, store);
  const [expected, found] = [await rowsOf(task, task.undisturbed), await rowsOf(task, store)];
  const images = imagesOf(task, task.killed);
  const imagesLost = [...imagesOf(task, task.undisturbed)].flatMap(([path, digest]) =>
    images.get(path) === digest ? [] : [path],
  );
  return { killed, imagesLost, expected, found };
}

/** A folder for each store, so that none of its images are another's. */
function imageFolder({ folder, killed }: KilledDay, store: string): string {
  return join(folder, store === killed ? 'image-killed' : 'image-undisturbed');
}

/** Digests by path. */
function imagesOf(task: KilledDay, store: string): Map<string, string> {
  const folder = imageFolder(task, store);
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const files = names.filter((name) => statSync(join(folder, name)).isFile());
  return new Map(files.map((name) => [name, hash('sha256', readFileSync(join(folder, name)))]));
}

/** So many pieces, in order: each is what was written between two runs. */
function cut(captures: readonly CaptureToWrite[], pieces: number, random: SeededRandom): CaptureToWrite[] {
  const total = captures.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const ends = Array.from({ length: pieces - 1 }, () => random.integer(total));
  const places = [0, ...ends.sort((one, other) => one - other), total];
  let begin = 0;
  return captures.flatMap(({ name, bytes }) => {
    const from = begin;
    begin += bytes.length;
    const inside = places.map((place) => Math.min(Math.max(place - from, 0), bytes.length));
    return inside.slice(1).flatMap((end, index) => {
      const piece = bytes.subarray(inside[index], end);
      return piece.length > 0 ? [{ name, bytes: piece }] : [];
    });
  });
}

function start(task: KilledDay, captures: string, store: string, environment: KilledDay['environment']) {
  const options = ['--store', store, '--images', imageFolder(task, store), '--quiet'];
  const argv = [join(projectRoot, 'bin/mailproc.js'), captures, task.day.replaceAll('-', ''), ...options];
  return spawn(process.execPath, argv, { stdio: 'inherit', env: { ...process.env, ...environment } });
}

/** A run that nobody kills. */
async function finish(task: KilledDay, captures: string, store: string): Promise<void> {
  const [status] = await once(start(task, captures, store, task.environment), 'exit');
  if (status !== 0) throw new Error(`the run that nobody kills ended with ${status}`);
}

function writeOld(file: string, bytes: Buffer): void {
  writeFileSync(file, bytes);
  writtenAt(file, longAgo());
}

/** A file written then is finished. */
function longAgo(): number {
  return Date.now() - 3_600_000;
}

/** Without ids, which tell when a row was stored, and without folders. */
async function rowsOf({ day, environment }: KilledDay, store: string): Promise<string[]> {
  const sink = await openStore(store, { environment, mustExist: true });
  await sink.open();
  try {
    const rows = (await sink.sample?.(day, 1_000_000)) ?? [];
    return rows
      .map(({ id, file_path, ...columns }) =>
        JSON.stringify({ ...columns, file: basename(String(file_path)) }),
      )
      .sort();
  } finally {
    await sink.close();
  }
}
