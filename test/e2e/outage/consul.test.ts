// Outages of Consul.
import { breakableConsul } from '../../support/servers/outage.ts';
import { outagesOf } from './outages.ts';

outagesOf(await breakableConsul());
