#import shared/grid
