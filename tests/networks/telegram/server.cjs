// Starts the test server of the Telegram Bot API on a free port and says which.
const TelegramServer = require("telegram-test-api");
const net = require("net");

const probe = net.createServer();
probe.listen(0, "127.0.0.1", () => {
  const { port } = probe.address();
  probe.close(async () => {
    await new TelegramServer({ port, host: "127.0.0.1", storage: "RAM", storeTimeout: 600 }).start();
    process.stdout.write(`${port}\n`);
  });
});
