// Trainings that the explorer has started.

import { ask } from "./ask.js";

const EVERY = 300; // ms

/** The key of the run of a training, once it is there; until then data are read and the model is made. */
export async function begun(job) {
  let now = job;
  while (!now.run) {
    if (now.state === "failed") throw new Error(now.said);
    if (now.state === "ended") throw new Error("training was stopped before it began");
    await new Promise((done) => setTimeout(done, EVERY));
    now = await ask(`jobs/${job.job}`);
  }
  return now.run;
}
