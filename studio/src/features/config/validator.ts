import { Validator, type Schema } from '@cfworker/json-schema';
import type { RJSFSchema, ValidationData, ValidatorType } from '@rjsf/utils';

/**
 * Tells the form which alternative its data is of. It interprets schemas, where the usual validator
 * compiles them to code, which the Content-Security-Policy refuses. What is wrong the server says.
 */
export const validator: ValidatorType<unknown, RJSFSchema> = {
  isValid: (schema, formData) => {
    // A field that was emptied is there with the value undefined, which is none of JSON.
    const data: unknown = JSON.parse(JSON.stringify(formData ?? null));
    return new Validator(schema as Schema, '2020-12').validate(data).valid;
  },
  validateFormData: (): ValidationData<unknown> => ({ errors: [], errorSchema: {} }),
  rawValidation: () => ({ errors: [] }),
  reset: () => undefined,
};

export default validator;
