// The true Bluesky network on loopback: directory, repositories, app view. Prints its addresses as one line of JSON and
// ends with its parent, which holds the other end of its standard input.
require('@atproto/dev-env/dist/env')
const { TestNetwork, TestPds } = require('@atproto/dev-env')

const base = Number(process.env.BASE)
const at = (place) => `http://localhost:${base + place}`

async function start() {
  const network = await TestNetwork.create({
    plc: { port: base + 2 },
    introspect: { port: base + 1 },
    ozone: { port: base + 7 },
    pds: { port: base + 3, hostname: 'localhost', enableDidDocWithSession: true },
    bsky: { port: base + 4, publicUrl: at(4), dbPostgresSchema: 'bsky' },
  })
  const strict = await TestPds.create({
    port: base + 5,
    hostname: 'localhost',
    didPlcUrl: network.plc.url,
    rateLimitsEnabled: true,
    inviteRequired: false,
  })
  console.log(JSON.stringify({ pds: network.pds.url, appview: network.bsky.url, strict: strict.url }))
  const stop = () => Promise.all([strict.close(), network.close()]).finally(() => process.exit(0))
  process.once('SIGTERM', stop)
  process.stdin.once('end', stop).resume()
}

start().catch((error) => {
  console.error(error)
  process.exit(1)
})
