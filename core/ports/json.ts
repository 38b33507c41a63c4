/** JSON values as every floor passes them on: what `JSON.parse` can return, nothing else. */

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

export type JsonObject = { [key: string]: Json };
