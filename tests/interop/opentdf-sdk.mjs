// Seals and opens by the JavaScript SDK of OpenTDF, unmodified. The order comes as JSON on standard input:
//   {sdk, verb: "seal" | "open", platform, kas: […], client, secret, dpop, attribute?, source, target, algorithm?,
//    clients?: {origin of a node: [client, secret]}: a token for each node}
// `sdk` is the folder in which the package stands. Errors go out as one line and status 1.
import { createRequire } from 'node:module';
import { readFile, writeFile } from 'node:fs/promises';

const order = JSON.parse(await readAll());

async function readAll() {
  let text = '';
  for await (const chunk of process.stdin) text += chunk;
  return text;
}

async function bytes(stream) {
  const parts = [];
  for await (const part of stream.stream ?? stream) parts.push(part);
  return Buffer.concat(parts);
}

try {
  const require = createRequire(`${order.sdk}/`);
  const { OpenTDF, AuthProviders, authTokenInterceptor, clientCredentialsTokenProvider } = require('@opentdf/sdk');
  const tokens = Object.fromEntries(Object.entries(order.clients ?? {}).map(([origin, [clientId, clientSecret]]) =>
    [origin, clientCredentialsTokenProvider({ clientId, clientSecret, oidcOrigin: order.platform })]));
  const perNode = (next) => async (req) => {
    const token = tokens[new URL(req.url).origin];
    if (token) req.header.set('Authorization', `Bearer ${await token()}`);
    return next(req);
  };
  const login = { clientId: order.client, clientSecret: order.secret, oidcOrigin: order.platform };
  const auth = order.dpop
    ? { authProvider: await AuthProviders.clientSecretAuthProvider({ ...login, exchange: 'client' }) }
    : order.clients ? { interceptors: [perNode] }
    : { interceptors: [authTokenInterceptor(clientCredentialsTokenProvider(login))] };
  // Its maker for Node drops this setting.
  if (order.dpop) auth.authProvider.oidcAuth.config.dpopEnabled = true;
  const client = new OpenTDF({ ...auth, platformUrl: order.platform, disableDPoP: !order.dpop });
  const source = { type: 'buffer', location: new Uint8Array(await readFile(order.source)) };
  let made;
  if (order.verb === 'seal') {
    made = await client.createTDF({
      source, autoconfigure: false, defaultKASEndpoint: order.kas[0], attributes: [order.attribute],
      mimeType: 'text/plain', wrappingKeyAlgorithm: order.algorithm,
      splitPlan: order.kas.map((kas) => ({ kas })),
    });
  } else {
    made = await client.read({ source, ...(order.allow ? { allowedKASEndpoints: order.kas } : {}) });
  }
  await writeFile(order.target, await bytes(made));
  process.exit(0);
} catch (error) {
  console.error(`${error.name}: ${error.message} ${error.cause?.message ?? ''}`);
  process.exit(1);
}
