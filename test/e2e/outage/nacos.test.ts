// Outages of Nacos.
import { breakableNacos } from '../../support/servers/outage.ts';
import { outagesOf } from './outages.ts';

outagesOf(await breakableNacos());
