/** `npm run fixtures [CASE …]`: writes each expected.json anew. Read the difference before you commit it. */
import { writeFileSync } from 'node:fs';
import { expectedFile, fixtureNames, runFixture } from './fixture.ts';

const wanted = process.argv.slice(2);
for (const name of wanted.length > 0 ? wanted : fixtureNames()) {
  writeFileSync(expectedFile(name), `${JSON.stringify(await runFixture(name), null, 2)}\n`);
}
