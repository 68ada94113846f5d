// When an endpoint is picked, beside the others.

/**
 * `first`: picked. `doubted`: picked when there is nobody else, or when too few are in the first tier to believe that the
 * others are gone. `last`: when nobody of these is left untried. `failing`: only when nearly all fail (panic, see
 * balancer/priority.ts). `never`: not picked. An ejected endpoint counts as failing, and is picked last.
 */
export type Tier = 'first' | 'doubted' | 'last' | 'failing' | 'never';
