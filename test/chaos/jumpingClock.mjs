// Loaded into a daemon before its own code: at SIGUSR2 its wall clock jumps by up to 20 s, there and back.
const jumps = [20_000, -20_000, 0];
const real = Date.now.bind(Date);
let offset = 0;
let next = 0;
process.on('SIGUSR2', () => {
  offset = jumps[next % jumps.length];
  next += 1;
});
Date.now = () => real() + offset;
