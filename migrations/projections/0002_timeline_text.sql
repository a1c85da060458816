-- What a party wrote with a step: note, reason, evidence. Hex of escrow.v1.SealedText, '' where there
-- is none; opened for those who may read the escrow, gone when its writer's key is.
ALTER TABLE projections.timeline ADD COLUMN sealed text NOT NULL DEFAULT '';
