import assert from 'node:assert/strict';
import { test } from 'node:test';
import { getHeapStatistics } from 'node:v8';
import { pipelineLimits } from '../../src/core/limits.ts';
import { adaptHeapGrowth } from '../../src/pipeline/memory/heap-growth.ts';

test('adaptHeapGrowth finds the strings of large texts before many of them have come', () => {
  const { relaxedHeapBytes, heapGrowthBytesMax } = pipelineLimits;
  const textBytes = 16 << 20;
  const bytes = Buffer.from('中'.repeat(textBytes / 2));
  let usedMax = 0;
  for (let index = 0; index < 16; index++) {
    assert.equal(bytes.toString('utf8').length, textBytes / 2);
    adaptHeapGrowth();
    usedMax = Math.max(usedMax, getHeapStatistics().used_heap_size);
  }
  // One more comes before it is asked again.
  assert.ok(usedMax < relaxedHeapBytes + heapGrowthBytesMax + textBytes, `${usedMax} octets are used`);
});
