// The load scenarios of `make bench`, for a cluster: k6 run -e BASE_URL=https://stock.example -e API_KEY=… scenarios.js
// Settings: STOCKS (how many are made before it begins, 1000), RATE (requests a second of the steady phase, 500),
// PRESS (how long that phase lasts, 2m). Stocks stay behind: use an environment for tests.
import http from 'k6/http';
import { check } from 'k6';
import exec from 'k6/execution';

const base = `${__ENV.BASE_URL || 'http://127.0.0.1:8080'}/api/v1/virtual-stock`;
const stocks = Number(__ENV.STOCKS || 1000);
const rate = Number(__ENV.RATE || 500);
const press = __ENV.PRESS || '2m';
const headers = { 'Content-Type': 'application/json' };
if (__ENV.API_KEY) {
  headers['X-Api-Key'] = __ENV.API_KEY;
}
const run = Date.now().toString(36);

export const options = {
  summaryTrendStats: ['avg', 'p(50)', 'p(95)', 'p(99)', 'max'],
  scenarios: {
    creation: { executor: 'shared-iterations', exec: 'create', vus: 500, iterations: 1000, maxDuration: '1m' },
    updates: { executor: 'per-vu-iterations', exec: 'reprice', vus: 500, iterations: 1, startTime: '1m' },
    reservations: { executor: 'per-vu-iterations', exec: 'reserveFirst', vus: 200, iterations: 1, startTime: '75s' },
    mixed: {
      executor: 'ramping-arrival-rate',
      exec: 'mixed',
      startTime: '90s',
      startRate: 0,
      timeUnit: '1s',
      preAllocatedVUs: 200,
      maxVUs: 1000,
      stages: [
        { target: rate, duration: '30s' },
        { target: rate, duration: press },
        { target: rate * 2, duration: '10s' },
        { target: rate * 2, duration: '30s' },
        { target: 0, duration: '10s' },
      ],
    },
  },
  // The design's limits.
  thresholds: {
    http_req_duration: ['p(50)<200', 'p(95)<500', 'p(99)<1000'],
    http_req_failed: ['rate<0.001'],
    checks: ['rate>0.999'],
    dropped_iterations: ['count==0'],
  },
};

function stock(n) {
  return `STK-k6x${run}x${n}`;
}

function any(ids) {
  return ids[Math.floor(Math.random() * ids.length)];
}

function ask(method, path, body, expected) {
  const answer = http.request(method, `${base}${path}`, body && JSON.stringify(body), { headers, tags: { name: `${method} ${path.replace(/STK-[^/]+/, ':stock')}` } });
  check(answer, { [`${expected}`]: (a) => a.status === expected });
  return answer;
}

// Makes the stocks of the run; returns their ids.
export function setup() {
  const ids = [];
  for (let first = 0; first < stocks; first += 500) {
    const operations = [];
    for (let n = first; n < Math.min(first + 500, stocks); n += 1) {
      ids.push(stock(n));
      operations.push({ op: 'create', stockId: stock(n), productId: stock(n), quantity: 1000000000, price: '150.00' });
    }
    ask('POST', '/stocks/batch', { operations }, 200);
  }
  return ids;
}

export function create() {
  const name = `${stock('new')}x${exec.scenario.iterationInTest}`;
  ask('POST', '/stocks', { productId: name, quantity: 100, price: '150.00' }, 201);
}

export function reprice(ids) {
  const newPrice = (1 + Math.floor(Math.random() * 100000) / 100).toFixed(2);
  ask('PUT', `/stocks/${any(ids)}/price`, { newPrice, reason: 'tick' }, 200);
}

function reserve(id) {
  ask('POST', `/stocks/${id}/reserve`, { quantityToReserve: 1, reason: 'order' }, 200);
}

export function reserveFirst(ids) {
  reserve(ids[0]);
}

export function mixed(ids) {
  const dice = Math.random();
  if (dice < 0.7) {
    ask('GET', `/stocks/${any(ids)}`, null, 200);
  } else if (dice < 0.9) {
    reserve(any(ids));
  } else {
    reprice(ids);
  }
}
