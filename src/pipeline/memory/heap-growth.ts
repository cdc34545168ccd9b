/**
 * Asks the runtime to look for garbage sooner while much is alive. Left alone it lets a heap of 150 MB grow to
 * three times that before it looks, which is fast where memory is plenty. Results do not depend on it.
 *
 * Only where it must: a collection that is asked for drops the shapes of objects that nobody holds just then, and
 * with them all compiled code that knows them. Eight of them made 50,000 small mails take half as long again.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { pipelineLimits } from '../../core/limits.ts';

/** How much the heap may grow until garbage is looked for; 0 leaves it to the runtime. */
let growthPercent = 0;
/** The least that heap and buffers took since garbage was looked for. */
let usedBytesMin = 0;
let collect: (() => void) | undefined;

/** To be called now and then; costs a microsecond. */
export function adaptHeapGrowth(): void {
  const { relaxedMemoryBytes, relaxedGrowthPercent, tightGrowthPercent, heapGrowthBytesMax } = pipelineLimits;
  const used = usedBytes();
  const isTight = used > relaxedMemoryBytes;
  // It reads the flag each time it is about to decide how far the heap may grow.
  const percent = isTight ? tightGrowthPercent : relaxedGrowthPercent;
  if (percent !== growthPercent) setFlagsFromString(`--heap-growing-percent=${percent}`);
  growthPercent = percent;
  usedBytesMin = Math.min(usedBytesMin, used);
  if (!isTight || used - usedBytesMin < heapGrowthBytesMax + usedBytesMin * (tightGrowthPercent / 100))
    return;
  // It decides only when it looks for garbage, and the first time may be far away: texts come in megabytes, and
  // buffers with attachments are not in the heap at all.
  collect ??= garbageCollection();
  collect();
  usedBytesMin = usedBytes();
}

function usedBytes(): number {
  const { used_heap_size: heap, external_memory: buffers } = getHeapStatistics();
  return heap + buffers;
}

/** The runtime hands it to contexts that begin after the flag is set. */
function garbageCollection(): () => void {
  setFlagsFromString('--expose-gc');
  const found: unknown = runInNewContext('gc');
  setFlagsFromString('--no-expose-gc');
  return typeof found === 'function' ? () => found() : () => undefined;
}
