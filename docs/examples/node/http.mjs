// Asks Knoq's API with the session that harvester serves.  Nothing but Node itself.
//
//   node http.mjs /api/managed-agents/sessions
//   node http.mjs /api/managed-agents/session '{"text": "hello"}'

import http from 'node:http'
import https from 'node:https'
import path from 'node:path'

const socketPath =
  process.env.HARVESTER_SOCKET ||
  path.join(process.env.XDG_RUNTIME_DIR || '/run', 'harvester/harvester.sock')

// Never follows a redirect, so the cookie goes where it is sent and no further.
function exchange(library, options, body) {
  return new Promise((resolve, reject) => {
    const request = library.request(options, (answer) => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (part) => (text += part))
      answer.on('end', () => resolve({ status: answer.statusCode, text }))
      answer.on('error', reject)
    })
    request.on('error', reject)
    request.end(body)
  })
}

// The session that is good now; `refused` is the generation that got a 401.
async function session(refused) {
  const { status, text } = await (refused === undefined
    ? exchange(http, { socketPath, path: '/v1/session' })
    : exchange(
        http,
        { socketPath, path: '/v1/session/report', method: 'POST' },
        JSON.stringify({ generation: refused }),
      ))
  const told = JSON.parse(text)
  if (status !== 200) throw new Error(`harvester: ${told.detail} (${told.code}): ${told.hint}`)
  return told
}

function send(held, target, body) {
  const { protocol, hostname, port } = new URL(held.origin)
  const library = protocol === 'https:' ? https : http
  const headers = { ...held.headers, 'Content-Type': 'application/json' }
  const method = body === undefined ? 'GET' : 'POST'
  return exchange(library, { hostname, port, path: target, method, headers }, body)
}

async function ask(target, body) {
  const held = await session()
  const answer = await send(held, target, body)
  if (answer.status !== 401) return answer
  // It came before anything was done, so a POST may be repeated too.
  return send(await session(held.generation), target, body)
}

try {
  const answer = await ask(...process.argv.slice(2, 4))
  console.log(answer.text)
  if (answer.status >= 400) {
    console.error(`knoq answered ${answer.status}`)
    process.exitCode = 1
  }
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
