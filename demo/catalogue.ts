// The shop's products, used by the product service and the order service.
export interface Product {
  id: string
  name: string
  price: number
  category: string
  stock: number
}

export const catalogue: readonly Product[] = [
  { id: 'p-100', name: 'Sticker', price: 0.1, category: 'paper', stock: 5000 },
  { id: 'p-101', name: 'Notebook', price: 4.95, category: 'paper', stock: 320 },
  { id: 'p-102', name: 'Fountain pen', price: 29.9, category: 'writing', stock: 41 },
  { id: 'p-103', name: 'Bottle of ink', price: 8.4, category: 'writing', stock: 97 },
  { id: 'p-104', name: 'Desk lamp', price: 64, category: 'desk', stock: 18 },
  { id: 'p-105', name: 'Slide rule', price: 119.99, category: 'desk', stock: 3 },
  { id: 'p-106', name: 'Abacus', price: 35.5, category: 'desk', stock: 12 },
  { id: 'p-107', name: 'Punched cards', price: 12.25, category: 'paper', stock: 800 }
]
