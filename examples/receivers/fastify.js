// A receiver with Fastify: npm install fastify walhook
import Fastify from 'fastify';
import { SeenIds, VerificationError, verifyWebhook } from 'walhook/verify';

const seen = new SeenIds();
const app = Fastify({ bodyLimit: 8 * 1024 * 1024 });

// The signature is of the body as it was sent: it is read as bytes, and parsed after it is verified.
app.removeAllContentTypeParsers();
app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));

app.post('/hook', async (request, reply) => {
  let id;
  try {
    ({ id } = verifyWebhook({
      headers: request.headers,
      body: request.body,
      secret: process.env.WEBHOOK_SECRET,
    }));
  } catch (error) {
    if (!(error instanceof VerificationError)) throw error;
    return reply.code(401).send(error.message);
  }
  // A redelivery carries the same id. Answer 2xx: it has been handled.
  if (seen.isNew(id)) {
    const event = JSON.parse(request.body);
    process.stdout.write(`${event.event} ${event.model} by ${event.username}\n`);
  }
  return reply.code(204).send();
});

await app.listen({ port: Number(process.env.PORT ?? 9000) });
