#import shared/class_weights
