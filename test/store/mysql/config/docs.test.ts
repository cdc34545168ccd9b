/** The cluster files that the manual shows are read. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readClusterFile } from '../../../../src/store/mysql/config/yaml.ts';
import { projectRoot } from '../../../support/project.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

for (const [page, count] of [
  ['mysql.md', 1],
  ['scaling.md', 3],
] as const) {
  test(`readClusterFile reads the cluster files in docs/${page}`, async (context) => {
    const text = readFileSync(join(projectRoot, 'docs', page), 'utf8');
    const examples = [...text.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, yaml = '']) => yaml);
    assert.equal(examples.length, count);
    for (const [index, yaml] of examples.entries()) {
      const path = join(temporaryFolder(context), `${index}.yaml`);
      writeFileSync(path, yaml);
      const { warnings, shardMap } = await readClusterFile(path, { CLUSTER_PASSWORD: 'x' });
      assert.deepEqual(warnings, []);
      assert.match(shardMap.shardOf('smtp', '2022-01-28').table, /^smtp_2022_01_28$/);
    }
  });
}
