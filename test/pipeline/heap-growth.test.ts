import assert from 'node:assert/strict';
import { test } from 'node:test';
import { getHeapStatistics } from 'node:v8';
import { pipelineLimits } from '../../src/core/limits.ts';
import { adaptHeapGrowth } from '../../src/pipeline/memory/heap-growth.ts';

test('adaptHeapGrowth finds the strings of large texts before many of them have come', () => {
  const { relaxedMemoryBytes, heapGrowthBytesMax } = pipelineLimits;
  const textBytes = 16 << 20;
  const bytes = Buffer.from('中'.repeat(textBytes / 2));
  /** The last ones are in use. */
  const texts: string[] = [];
  let usedMax = 0;
  for (let index = 0; index < 16; index++) {
    texts[index % 3] = bytes.toString('utf8');
    adaptHeapGrowth();
    usedMax = Math.max(usedMax, getHeapStatistics().used_heap_size);
  }
  assert.equal(texts.length, 3);
  // One more comes before it is asked again.
  assert.ok(usedMax < relaxedMemoryBytes + heapGrowthBytesMax + textBytes, `${usedMax} octets are used`);
});
