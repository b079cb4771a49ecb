// A client that is generated from the OpenAPI document, in use: every line of it is type-checked.

import createClient from 'openapi-fetch'
import { Agent, fetch, Request } from 'undici'
import type { components, paths } from './api.js'

const socketPath = process.env.HARVESTER_SOCKET!
const dispatcher = new Agent({ connect: { socketPath } })
const harvester = createClient<paths>({
  baseUrl: 'http://harvester',
  Request: Request as unknown as typeof globalThis.Request,
  fetch: ((request: Request) => fetch(request, { dispatcher })) as unknown as typeof globalThis.fetch,
})

type Session = components['schemas']['Session']
type Problem = components['schemas']['Problem']

// A text comes only where a printable format was asked for.
function told({ data, error }: { data?: Session | string; error?: Problem }): Session {
  if (error) throw new Error(`${error.code}: ${error.hint}`)
  if (typeof data !== 'object') throw new Error('not the session object')
  return data
}

const held = told(await harvester.GET('/v1/session', { params: { query: { min_valid_s: 0 } } }))
const body = { generation: held.generation }
const fresh = told(await harvester.POST('/v1/session/report', { body }))
const verdict: 'superseded' | 'alive' | 'refreshed' | 'unreachable' | undefined = fresh.verdict
console.log(JSON.stringify({ before: held.generation, after: fresh.generation, verdict }))

const unknown = await harvester.GET('/v1/session', { params: { query: { profile: 'nobody' } } })
console.log(unknown.error?.code)
await dispatcher.close()
