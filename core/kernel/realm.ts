/** The realm of what users put into the data modes. Whatever the server keeps for itself has realms of its own, which no input can name. */
export const USER = "user";
