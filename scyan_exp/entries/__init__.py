"""The entries of a knowledge table as the jobs of a sweep: on which does an annotation hang?"""
