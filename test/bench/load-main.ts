// Entry of the load process: one plan as JSON in, one result as JSON out.

import { runLoad } from './load.js';
import * as v from 'valibot';

const planSchema = v.object({
  socket: v.string(),
  connections: v.number(),
  requests: v.number(),
  algorithm: v.string(),
});

const plan = v.parse(planSchema, JSON.parse(process.argv[2] ?? ''));
process.stdout.write(JSON.stringify(await runLoad(plan)));
