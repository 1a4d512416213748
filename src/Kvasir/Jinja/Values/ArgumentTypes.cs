namespace Kvasir.Jinja.Values;

/// <summary>Arguments of builtins as the types that they must have; null stands for one that was not given.</summary>
internal static class ArgumentTypes
{
    public static MarkedText Text(object? value, string what) => MarkedText.Find(value) ?? throw Wrong(value, what, "a string");

    public static MarkedText? TextOrNull(object? value, string what) => value is null or None ? null : Text(value, what);

    public static long Integer(object? value, string what) => value is long or bool ? Operators.AsLong(value) : throw Wrong(value, what, "an integer");

    public static long Integer(object? value, string what, long otherwise) => value is null or None ? otherwise : Integer(value, what);

    public static bool Flag(object? value, bool otherwise = false) => value is null ? otherwise : Operators.IsTrue(value);

    private static JinjaFailure Wrong(object? value, string what, string wanted) =>
        new($"{what} takes {wanted}, not {Operators.TypeName(value ?? None.Value)}");
}
