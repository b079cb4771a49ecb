// Asks Knoq's API with the session that harvester serves, through undici (npm install undici).
//
//   node undici.mjs /api/managed-agents/sessions
//   node undici.mjs /api/managed-agents/session '{"text": "hello"}'

import path from 'node:path'
import { Agent, request } from 'undici'

const socketPath =
  process.env.HARVESTER_SOCKET ||
  path.join(process.env.XDG_RUNTIME_DIR || '/run', 'harvester/harvester.sock')
// One connection that stays open: a session is asked of the daemon's memory each time.
const harvester = new Agent({ connect: { socketPath }, headersTimeout: 90_000 })

async function session(refused) {
  const { statusCode, body } = await (refused === undefined
    ? request('http://harvester/v1/session', { dispatcher: harvester })
    : request('http://harvester/v1/session/report', {
        dispatcher: harvester,
        method: 'POST',
        body: JSON.stringify({ generation: refused }),
      }))
  const told = await body.json()
  if (statusCode !== 200) throw new Error(`harvester: ${told.detail} (${told.code}): ${told.hint}`)
  return told
}

// Redirects are not followed: `request` does so only if it is told to.
async function ask(target, options = {}) {
  let held = await session()
  let answer = await send(held, target, options)
  if (answer.statusCode === 401) {
    // It came before anything was done, so a POST may be repeated too.
    await answer.body.dump()
    held = await session(held.generation)
    answer = await send(held, target, options)
  }
  return answer
}

function send(held, target, options) {
  const headers = { 'Content-Type': 'application/json', ...options.headers, ...held.headers }
  return request(held.origin + target, { ...options, headers })
}

try {
  const [target, body] = process.argv.slice(2)
  const answer = await ask(target, body === undefined ? {} : { method: 'POST', body })
  console.log(await answer.body.text())
  if (answer.statusCode >= 400) {
    console.error(`knoq answered ${answer.statusCode}`)
    process.exitCode = 1
  }
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
} finally {
  await harvester.close()
}
