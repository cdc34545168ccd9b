/** The commands that the documentation and the units of systemd show are commands that there are. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readArguments } from '../../src/cli/arguments.ts';
import { projectRoot } from '../support/project.ts';

const units = join(projectRoot, 'docs/systemd');

/** Lines of blocks of code with the command and what it is given, without what a shell does around it. */
function commandsIn(text: string): string[] {
  return text.split('\n').flatMap((line) => {
    // The user of this name.
    if (/^ *(?:adduser|install|su) /.test(line)) return [];
    const command = /(?:^|[\s$=])mailproc ((?:[a-z]|\/|-|null|\d{8}\b|"\$)[^|#;>]*)/.exec(
      line.replaceAll(/\$?\$\(date [^)]*\)/g, '20220128'),
    );
    return command?.[1] === undefined ? [] : [command[1]];
  });
}

function blocksOf(markdown: string): string {
  const blocks = [...markdown.matchAll(/^```[a-z]*\n([\s\S]*?)^```/gm)].map(([, block = '']) => block);
  return blocks.join('\n');
}

async function check(command: string): Promise<void> {
  const words = command
    .replaceAll(/["']/g, '')
    .replace(/\|\|.*| {3,}.*/, '')
    .replace('$day', '20220128')
    .replace(/--config \S+/, '')
    .trim()
    .split(/\s+/);
  await assert.doesNotReject(readArguments(words), `mailproc ${command}`);
}

for (const name of ['usage.md', 'operations.md']) {
  test(`every command in the blocks of docs/${name} is understood`, async () => {
    const text = blocksOf(readFileSync(join(projectRoot, 'docs', name), 'utf8'));
    const commands = commandsIn(text).filter((command) => !/[[<]/.test(command));
    assert.ok(commands.length >= 3, text);
    for (const command of commands) await check(command);
  });
}

test('every command in the units of systemd is understood', async () => {
  for (const name of readdirSync(units).filter((each) => each.endsWith('.service'))) {
    const lines = readFileSync(join(units, name), 'utf8').split('\n');
    const commands = commandsIn(lines.filter((line) => line.startsWith('ExecStart=')).join('\n'));
    assert.ok(commands.length > 0, name);
    for (const command of commands) await check(command);
  }
});
