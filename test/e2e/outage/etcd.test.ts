// Outages of etcd.
import { breakableEtcd } from '../../support/servers/outage.ts';
import { outagesOf } from './outages.ts';

outagesOf(await breakableEtcd());
