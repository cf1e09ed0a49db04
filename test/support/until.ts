/** Waits for what other tasks bring about; a test that waits in vain is ended by the runner's limit. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}
