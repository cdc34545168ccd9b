/** What a store has to say while it is used, on standard error. */
import type { Settings } from './options.ts';
import { printable } from './printable.ts';

export function noticeWriter({ quiet }: Settings): (code: string, detail: string) => void {
  return (code, detail) => {
    const label = code === 'config.warning' ? 'warning' : code;
    if (!quiet) process.stderr.write(`mailproc: ${label}: ${printable(detail)}\n`);
  };
}
