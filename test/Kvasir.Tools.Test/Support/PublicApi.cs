using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text;

namespace Kvasir.Tools.Test.Support;

/// <summary>Every public type of the libraries with its members, a line each, so that a change of what others compile against shows in a diff.</summary>
internal static class PublicApi
{
    private const BindingFlags Own = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    private static readonly Assembly[] Assemblies = [typeof(Kvasir.Kernels.Memory.NativeView).Assembly, typeof(Engine).Assembly, typeof(Kvasir.Evaluation.TaskCatalog).Assembly, Assembly.Load("Kvasir.Server")];

    private static readonly Dictionary<Type, string> Keywords = new()
    {
        [typeof(void)] = "void",
        [typeof(bool)] = "bool",
        [typeof(byte)] = "byte",
        [typeof(sbyte)] = "sbyte",
        [typeof(short)] = "short",
        [typeof(ushort)] = "ushort",
        [typeof(int)] = "int",
        [typeof(uint)] = "uint",
        [typeof(long)] = "long",
        [typeof(ulong)] = "ulong",
        [typeof(float)] = "float",
        [typeof(double)] = "double",
        [typeof(char)] = "char",
        [typeof(string)] = "string",
        [typeof(object)] = "object",
        [typeof(nint)] = "nint",
        [typeof(nuint)] = "nuint",
    };

    public static string Text()
    {
        var text = new StringBuilder();
        foreach (var assembly in Assemblies)
        {
            foreach (var type in assembly.GetExportedTypes().OrderBy(static type => type.FullName, StringComparer.Ordinal))
            {
                text.Append($"{Head(type)}\n");
                foreach (var member in Members(type).Order(StringComparer.Ordinal).Distinct())
                    text.Append($"    {member}\n");
            }
        }

        return text.ToString();
    }

    private static string Head(Type type)
    {
        var kind = type.IsInterface ? "interface"
            : type.IsEnum ? "enum"
            : typeof(Delegate).IsAssignableFrom(type) ? "delegate"
            : type.IsValueType ? (type.IsByRefLike ? "ref struct" : "struct")
            : type is { IsAbstract: true, IsSealed: true } ? "static class"
            : type.IsAbstract ? "abstract class"
            : type.IsSealed ? "sealed class" : "class";
        Type?[] above = [type.BaseType is { } parent && parent.Assembly == type.Assembly ? parent : null, .. type.GetInterfaces().Where(static one => one.IsPublic && one.Name != "IEquatable`1")];
        var bases = above.OfType<Type>().Select(Name).Order(StringComparer.Ordinal).ToArray();
        return $"{kind} {type.Namespace}.{Name(type)}{(bases.Length == 0 || type.IsEnum ? "" : $" : {string.Join(", ", bases)}")}";
    }

    private static IEnumerable<string> Members(Type type)
    {
        if (type.IsEnum)
            return type.GetFields(BindingFlags.Public | BindingFlags.Static).Select(static field => $"{field.Name} = {Convert.ToInt64(field.GetRawConstantValue(), CultureInfo.InvariantCulture)}");
        if (typeof(Delegate).IsAssignableFrom(type))
            return [Method(type.GetMethod("Invoke")!)];
        return type.GetConstructors(Own).Where(IsSeen).Select(method => $"{Name(type)}({Parameters(method)})")
            .Concat(type.GetFields(Own).Where(static field => field.IsPublic || field.IsFamily).Select(Field))
            .Concat(type.GetProperties(Own).Where(static property => property.GetAccessors(nonPublic: true).Any(IsSeen) && property.Name != "EqualityContract").Select(Property))
            .Concat(type.GetEvents(Own).Where(static one => IsSeen(one.AddMethod!)).Select(static one => $"event {Name(one.EventHandlerType!)} {one.Name}"))
            .Concat(type.GetMethods(Own).Where(static method => IsSeen(method) && (!method.IsSpecialName || method.Name.StartsWith("op_", StringComparison.Ordinal))).Select(Method));
    }

    // What a record is given by the compiler is the same for all.
    private static bool IsSeen(MethodBase method) =>
        (method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly)
        && (!method.IsDefined(typeof(CompilerGeneratedAttribute)) || method.IsSpecialName) && !method.Name.Contains('<', StringComparison.Ordinal)
        && !(method.Name is "op_Equality" or "op_Inequality" && method.IsDefined(typeof(CompilerGeneratedAttribute)));

    private static string Field(FieldInfo field) => field.IsLiteral
        ? $"const {Name(field.FieldType)} {field.Name} = {Value(field.GetRawConstantValue())}"
        : $"{(field.IsStatic ? "static " : "")}{(field.IsInitOnly ? "readonly " : "")}{Name(field.FieldType)} {field.Name}";

    private static string Property(PropertyInfo property)
    {
        var (get, set) = (property.GetMethod is { } getter && IsSeen(getter), property.SetMethod is { } setter && IsSeen(setter));
        var isInit = set && property.SetMethod!.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(IsExternalInit));
        var index = property.GetIndexParameters() is { Length: > 0 } parameters ? $"[{string.Join(", ", parameters.Select(Parameter))}]" : "";
        var isRequired = property.IsDefined(typeof(RequiredMemberAttribute));
        var any = property.GetMethod ?? property.SetMethod!;
        return $"{Modifiers(any)}{(isRequired ? "required " : "")}{Name(property.PropertyType)} {property.Name}{index} {{ {(get ? "get; " : "")}{(set ? isInit ? "init; " : "set; " : "")}}}";
    }

    private static string Method(MethodInfo method)
    {
        var generic = method.IsGenericMethodDefinition ? $"<{string.Join(", ", method.GetGenericArguments().Select(Name))}>" : "";
        return $"{Modifiers(method)}{Name(method.ReturnType)} {method.Name}{generic}({Parameters(method)})";
    }

    private static string Modifiers(MethodBase method) =>
        (method.IsFamily || method.IsFamilyOrAssembly ? "protected " : "")
        + (method.DeclaringType!.IsInterface ? method.IsStatic ? "static " : ""
            : method.IsStatic ? "static "
            : method.IsAbstract ? "abstract "
            : method is MethodInfo info && info.GetBaseDefinition() != info ? "override "
            : method is { IsVirtual: true, IsFinal: false } ? "virtual " : "");

    private static string Parameters(MethodBase method) => string.Join(", ", method.GetParameters().Select(Parameter));

    private static string Parameter(ParameterInfo parameter)
    {
        var way = parameter.IsOut ? "out " : parameter.IsIn ? "in " : parameter.ParameterType.IsByRef ? "ref " : parameter.IsDefined(typeof(ParamArrayAttribute)) ? "params " : "";
        return $"{way}{Name(parameter.ParameterType)} {parameter.Name}{(parameter.HasDefaultValue ? $" = {Value(parameter.RawDefaultValue)}" : "")}";
    }

    private static string Value(object? value) => value switch
    {
        null => "default",
        string text => $"\"{text.Replace("\n", "\\n", StringComparison.Ordinal)}\"",
        bool truth => truth ? "true" : "false",
        _ => string.Create(CultureInfo.InvariantCulture, $"{value}"),
    };

    private static string Name(Type type)
    {
        if (Keywords.TryGetValue(type, out var keyword))
            return keyword;
        if (type.IsByRef)
            return Name(type.GetElementType()!);
        if (type.IsPointer)
            return $"{Name(type.GetElementType()!)}*";
        if (type.IsArray)
            return $"{Name(type.GetElementType()!)}[{new string(',', type.GetArrayRank() - 1)}]";
        if (Nullable.GetUnderlyingType(type) is { } value)
            return $"{Name(value)}?";
        var outer = type is { IsNested: true, IsGenericParameter: false } ? $"{Name(type.DeclaringType!)}." : "";
        var arguments = type.IsGenericType ? $"<{string.Join(", ", type.GetGenericArguments().Select(Name))}>" : "";
        return $"{outer}{type.Name.Split('`')[0]}{arguments}";
    }
}
