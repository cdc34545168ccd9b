/** `mailproc explain`: what is in a capture, as text or as JSON, printed as it is found. */

import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { ZoneClock } from '../core/clock.ts';
import { MailprocError } from '../core/errors.ts';
import { type ExplainListener, explain } from '../pipeline/explain.ts';
import type { ExplainedTotals } from '../pipeline/explanation.ts';
import type { Settings } from './options.ts';
import { jsonText } from './printable.ts';
import { renderConnection, renderFile, renderTotals } from './render-explanation.ts';

/** Resolves with the exit status: 3 where a file is damaged. */
export async function runExplain(files: readonly string[], settings: Settings): Promise<number> {
  for (const file of files) await refuseFolder(file);
  let isDamaged = false;
  const output = settings.json ? new JsonOutput() : new TextOutput(new ZoneClock(settings.timezone));
  const { ports, keylog: keyLogFile, verbose, json } = settings;
  const totals = await explain(
    { files, ports, keyLogFile, verbose: verbose || json },
    {
      file(file) {
        isDamaged ||= file.damage.length > 0;
        return output.file(file);
      },
      connection: (connection) => output.connection(connection),
    },
  );
  await output.end(totals);
  return isDamaged ? 3 : 0;
}

async function refuseFolder(path: string): Promise<void> {
  const stats = await stat(path).catch(() => undefined);
  if (stats?.isDirectory() !== true) return;
  throw new MailprocError('usage.capture', `explain ${path}: it is a directory`, {
    hint: 'name a capture file, or the files of one rotated capture in their order',
  });
}

interface Output extends ExplainListener {
  end(totals: ExplainedTotals): Promise<void>;
}

class TextOutput implements Output {
  readonly #clock: ZoneClock;

  constructor(clock: ZoneClock) {
    this.#clock = clock;
  }

  file(file: Parameters<ExplainListener['file']>[0]): Promise<void> {
    return print(renderFile(file, this.#clock));
  }

  connection(connection: Parameters<ExplainListener['connection']>[0]): Promise<void> {
    return print(renderConnection(connection, this.#clock));
  }

  end(totals: ExplainedTotals): Promise<void> {
    return print(renderTotals(totals));
  }
}

/** One document, `{ files, connections, totals }`, written in pieces: it may be larger than memory. */
class JsonOutput implements Output {
  #part: 'none' | 'files' | 'connections' = 'none';

  file(file: Parameters<ExplainListener['file']>[0]): Promise<void> {
    return this.#item('files', file);
  }

  connection(connection: Parameters<ExplainListener['connection']>[0]): Promise<void> {
    return this.#item('connections', connection);
  }

  async end(totals: ExplainedTotals): Promise<void> {
    if (this.#part === 'files') await print('\n],\n"connections": [');
    await print(`\n],\n"totals": ${jsonText(totals)}\n}\n`);
  }

  #item(part: 'files' | 'connections', item: object): Promise<void> {
    const separator =
      this.#part === part ? ',\n' : part === 'files' ? '{\n"files": [\n' : '\n],\n"connections": [\n';
    this.#part = part;
    return print(`${separator}${jsonText(item)}`);
  }
}

async function print(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain');
}
