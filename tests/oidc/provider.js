// A real OpenID provider for tests. GET /set?name=value changes what it does next; its address is the first line it prints.
import http from "node:http";
import { randomUUID } from "node:crypto";
import { exportJWK, generateKeyPair, importJWK, decodeJwt, SignJWT } from "jose";
import Provider from "oidc-provider";

const REDIRECTS = JSON.parse(process.argv[2]);
const people = {
  lan: { name: "Lan Đỗ", email: "lan@an-phu.example", email_verified: true },
  ma: { name: "Mã", email: "ma@an-phu.example", email_verified: false },
  la: { name: "La", email: "la@elsewhere.example", email_verified: true },
};
const now = { person: "lan", tamper: "", deny: "", ttl: "60" };
let handler = null, keys = null;

async function renew(issuer) {
  const { privateKey } = await generateKeyPair("RS256", { extractable: true });
  keys = { ...(await exportJWK(privateKey)), kid: randomUUID(), alg: "RS256", use: "sig" };
  const provider = new Provider(issuer, {
    jwks: { keys: [keys] },
    clients: [{ client_id: "fabfleet", client_secret: "geheim", redirect_uris: REDIRECTS, post_logout_redirect_uris: ["http://localhost/signin"] }],
    cookies: { keys: ["test"] },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
    findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
    ttl: { AuthorizationCode: () => Number(now.ttl), AccessToken: 60, IdToken: 60, Interaction: 60, Session: 60, Grant: 60 },
    loadExistingGrant: async ctx => {
      const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
      grant.addOIDCScope("openid email profile");
      await grant.save();
      return grant;
    },
  });
  provider.use(async (ctx, next) => {
    await next();
    if (now.tamper && ctx.oidc?.route === "token" && ctx.body?.id_token) ctx.body.id_token = await tampered(ctx.body.id_token);
  });
  const callback = provider.callback();
  handler = async (request, response) => {
    if (!request.url.startsWith("/interaction/")) return callback(request, response);
    const result = now.deny ? { error: "access_denied" } : { login: { accountId: now.person } };
    await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  };
}

// Signed with the provider's own key, or with one that it does not show: only what is said is wrong.
async function tampered(token) {
  const claims = decodeJwt(token), seconds = Math.floor(Date.now() / 1000);
  let key = await importJWK(keys, "RS256"), kid = keys.kid;
  if (now.tamper === "aud") claims.aud = "somebody-else";
  if (now.tamper === "iss") claims.iss = "https://elsewhere.example";
  if (now.tamper === "nonce") claims.nonce = "of-another-flow";
  if (now.tamper === "late") { claims.iat = seconds - 900; claims.exp = seconds - 300; }
  if (now.tamper === "skew") { claims.iat = seconds + 60; claims.exp = seconds + 120; }
  if (now.tamper === "ahead") { claims.iat = seconds + 600; claims.exp = seconds + 900; }
  if (now.tamper === "forged") key = (await generateKeyPair("RS256")).privateKey;
  if (now.tamper === "hidden") kid = "not-shown";
  return new SignJWT(claims).setProtectedHeader({ alg: "RS256", kid }).sign(key);
}

const server = http.createServer(async (request, response) => {
  const url = new URL(request.url, "http://127.0.0.1");
  if (url.pathname !== "/set") return handler(request, response);
  Object.assign(now, Object.fromEntries(url.searchParams));
  if (url.searchParams.has("renew")) await renew(address());
  response.end("ok");
});
const address = () => `http://127.0.0.1:${server.address().port}`;
server.listen(0, "127.0.0.1", async () => {
  await renew(address());
  console.log(address());
});
process.stdin.on("end", () => process.exit()).resume();
