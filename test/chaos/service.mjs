// The one service that is called: its name, where configuration, records and clients spell it.
export const SERVICE = 'orders';
