/**
 * Octets of mails in progress on disk, for which there is no room in memory. The file belongs to this process
 * alone (mode 0600) and loses its name at once: whatever ends the process, nothing is left behind.
 */
import { randomUUID } from 'node:crypto';
import { closeSync, ftruncateSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { MailprocError } from '../../core/errors.ts';
import { cellBytes, cellSizes } from './octet-arena.ts';

export class SpillFile {
  readonly #folder: string;
  #descriptor: number | undefined;
  /** Behind the last extent that was ever given out. */
  #end = 0;
  #used = 0;
  /** For each size, extents to be used again. */
  #free: number[][] = emptyLists();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Octets of the file, free extents included. */
  get bytes(): number {
    return this.#end;
  }

  /** An extent of the size of a cell. */
  take(size: number): number {
    this.#used++;
    const known = this.#free[size]?.pop();
    if (known !== undefined) return known;
    const extent = this.#end;
    this.#end += cellBytes(size);
    return extent;
  }

  give(extent: number, size: number): void {
    this.#free[size]?.push(extent);
    this.#used--;
    if (this.#used > 0) return;
    this.#free = emptyLists();
    this.#end = 0;
    if (this.#descriptor !== undefined) ftruncateSync(this.#descriptor, 0);
  }

  /** Undefined where all was written, else why it could not be. */
  write(bytes: Buffer, position: number): Error | undefined {
    try {
      this.#descriptor ??= this.#open();
      for (let done = 0; done < bytes.length; ) {
        done += writeSync(this.#descriptor, bytes, done, bytes.length - done, position + done);
      }
      return undefined;
    } catch (error) {
      return error as Error;
    }
  }

  /** What was written there before. */
  read(target: Buffer, start: number, length: number, position: number): void {
    try {
      for (let done = 0; done < length; ) {
        const read = readSync(this.#descriptor ?? -1, target, start + done, length - done, position + done);
        if (read === 0) throw new Error('the file has become shorter');
        done += read;
      }
    } catch (cause) {
      const text = `read back mails in progress from ${this.#folder}: ${(cause as Error).message}`;
      throw new MailprocError('spill.unreadable', text, {
        hint: 'name another folder with --spill',
        cause,
      });
    }
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #open(): number {
    const path = join(this.#folder, `mailproc-${randomUUID()}.spill`);
    const descriptor = openSync(path, 'wx+', 0o600);
    unlinkSync(path);
    return descriptor;
  }
}

function emptyLists(): number[][] {
  return Array.from({ length: cellSizes }, () => []);
}
