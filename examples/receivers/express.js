// A receiver with Express: npm install express walhook
import express from 'express';
import { SeenIds, VerificationError, verifyWebhook } from 'walhook/verify';

const seen = new SeenIds();
const app = express();

// The signature is of the body as it was sent: it is read as bytes, and parsed after it is verified.
app.post('/hook', express.raw({ type: '*/*', limit: '8mb' }), (request, response) => {
  let id;
  try {
    ({ id } = verifyWebhook({
      headers: request.headers,
      body: request.body,
      secret: process.env.WEBHOOK_SECRET,
    }));
  } catch (error) {
    if (!(error instanceof VerificationError)) throw error;
    response.status(401).send(error.message);
    return;
  }
  // A redelivery carries the same id. Answer 2xx: it has been handled.
  if (seen.isNew(id)) {
    const event = JSON.parse(request.body);
    process.stdout.write(`${event.event} ${event.model} by ${event.username}\n`);
  }
  response.status(204).end();
});

app.listen(process.env.PORT ?? 9000);
