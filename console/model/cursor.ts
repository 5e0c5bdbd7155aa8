/** Returns where in its log a cursor is: cursors of one log compare by it. */
export const placeOf = (cursor: string): number => Number(cursor.split('.')[1] ?? 0)
