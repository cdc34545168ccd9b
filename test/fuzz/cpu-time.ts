/** Time of the processor that this process took: a machine that is busy with other things changes nothing. */

export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
