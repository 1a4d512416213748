using System.Reflection;
using System.Reflection.Emit;
using System.Text.RegularExpressions;

namespace Kvasir.Tools.Test;

/// <summary>Which folder of the engine may know which: each knows those that come before it, and nobody knows who uses it.</summary>
public sealed partial class FolderTidyTest
{
    private const int MostFiles = 25;

    // From the ground to the top. A new folder has its place here, above all that it knows.
    private static readonly string[] Order =
    [
        "Ground", "Files",
        "Jinja/Values", "Jinja/Builtins", "Jinja/Syntax", "Jinja",
        "Text/Words", "Text/Tokenizers", "Text",
        "Structure/Patterns", "Structure", "Structure/Schemas", "Calls",
        "Models/Configs", "Synthetic", "Models",
        "Cache",
        "Attention", "Attention/Marks", "Attention/Observation", "Attention/Indexes", "Attention/Policies", "Attention/Heads", "Attention/Audit", "Attention/Batches",
        "Forward", "Sampling", "Requests", "Requests/Scheduling",
        "", "Measurement",
    ];

    // What is still owed, to be taken away with its cause: a link that is listed here and found nowhere fails as well.
    private static readonly string[] Owed = [];

    private const BindingFlags Everything = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    private static readonly string Root = Path.Combine(TidyTest.Root, "src", "Kvasir");

    private static readonly Dictionary<string, string> FolderOfType = (
        from file in Files(Root)
        from Match match in Declaration().Matches(File.ReadAllText(file))
        select (Type: match.Groups["name"].Value, Folder: FolderOf(file))).DistinctBy(static at => at.Type).ToDictionary(static at => at.Type, static at => at.Folder);

    private static readonly Dictionary<int, OpCode> OpCodesByValue = typeof(OpCodes).GetFields().Select(static field => (OpCode)field.GetValue(null)!).ToDictionary(static code => (int)(ushort)code.Value);

    [Fact]
    public void FoldersAreFoundAtAGlance() => Assert.Empty(
        from folder in Directory.EnumerateDirectories(Path.Combine(TidyTest.Root, "src"), "*", SearchOption.AllDirectories)
        let count = Directory.GetFiles(folder, "*.cs").Length
        where count > MostFiles && !folder.Split(Path.DirectorySeparatorChar).Any(static part => part is "bin" or "obj")
        select $"{folder}: {count} files, more than {MostFiles}");

    [Fact]
    public void NamesAreUnique() => Assert.Empty(
        from file in Files(Path.Combine(TidyTest.Root, "src"))
        from Match match in Declaration().Matches(File.ReadAllText(file))
        group Path.GetRelativePath(TidyTest.Root, file) by match.Groups["name"].Value into files
        where files.Key != "Program" && files.Distinct().Count() > 1
        select $"{files.Key}: {string.Join(", ", files)}");

    [Fact]
    public void EveryFolderHasItsPlace() => Assert.Equal(Order.Order(StringComparer.Ordinal), Files(Root).Select(FolderOf).Distinct().Order(StringComparer.Ordinal));

    [Fact]
    public void CodeKnowsOnlyWhatIsBelowIt()
    {
        var links = (
            from type in typeof(Engine).Assembly.GetTypes()
            let outer = Outermost(type)
            where FolderOfType.ContainsKey(NameOf(outer))
            from known in Known(type).SelectMany(Parts).Select(Outermost).Where(static known => known.Assembly == typeof(Engine).Assembly).Distinct()
            where known != outer && FolderOfType.ContainsKey(NameOf(known))
            let link = (From: FolderOfType[NameOf(outer)], To: FolderOfType[NameOf(known)])
            where Array.IndexOf(Order, link.To) > Array.IndexOf(Order, link.From)
            select $"{link.From}: {NameOf(outer)} knows {NameOf(known)} of {link.To}").Distinct().Order(StringComparer.Ordinal);
        Assert.Equal(Owed, links);
    }

    // Constants and the links of docstrings leave nothing in an assembly.
    [Fact]
    public void UsingsNameOnlyWhatIsBelow() => Assert.Empty(
        from file in Files(Root)
        from line in File.ReadLines(file)
        let match = Regex.Match(line, @"^using Kvasir\.([\w.]+);")
        where match.Success
        let named = match.Groups[1].Value.Replace('.', '/')
        where Order.Contains(named) && Array.IndexOf(Order, named) > Array.IndexOf(Order, FolderOf(file))
        select $"{Path.GetRelativePath(Root, file)}: {line}");

    private static IEnumerable<string> Files(string root) =>
        Directory.EnumerateFiles(root, "*.cs", SearchOption.AllDirectories).Where(static file => !file.Split(Path.DirectorySeparatorChar).Any(static part => part is "bin" or "obj"));

    private static string FolderOf(string file) => Path.GetDirectoryName(Path.GetRelativePath(Root, file))!.Replace(Path.DirectorySeparatorChar, '/');

    private static string NameOf(Type type) => type.Name.Split('`')[0];

    private static Type Outermost(Type type) => type.DeclaringType is { } outer ? Outermost(outer) : type;

    // A type made of others counts as those.
    private static IEnumerable<Type> Parts(Type type) =>
        type.HasElementType ? Parts(type.GetElementType()!)
        : type.IsGenericParameter ? []
        : type.IsConstructedGenericType ? type.GetGenericArguments().SelectMany(Parts).Append(type.GetGenericTypeDefinition())
        : [type];

    private static IEnumerable<Type> Known(Type type)
    {
        IEnumerable<Type> declared = [.. type.GetInterfaces(), .. type.GetFields(Everything).Select(static field => field.FieldType)];
        if (type.BaseType is { } parent)
            declared = declared.Append(parent);
        IEnumerable<MethodBase> methods = [.. type.GetMethods(Everything), .. type.GetConstructors(Everything)];
        return declared.Concat(methods.SelectMany(KnownBy));
    }

    private static IEnumerable<Type> KnownBy(MethodBase method)
    {
        foreach (var parameter in method.GetParameters())
            yield return parameter.ParameterType;
        if (method is MethodInfo info)
            yield return info.ReturnType;
        if (method.GetMethodBody() is not { } body)
            yield break;
        foreach (var local in body.LocalVariables)
            yield return local.LocalType;
        foreach (var member in Members(method, body.GetILAsByteArray()!))
        {
            if (member is Type type)
                yield return type;
            if (member.DeclaringType is { } owner)
                yield return owner;
            if (member is MethodInfo { IsGenericMethod: true } generic)
            {
                foreach (var argument in generic.GetGenericArguments())
                    yield return argument;
            }
        }
    }

    private static IEnumerable<MemberInfo> Members(MethodBase method, byte[] code)
    {
        var typeArguments = method.DeclaringType!.IsGenericType ? method.DeclaringType.GetGenericArguments() : null;
        var methodArguments = method.IsGenericMethod ? method.GetGenericArguments() : null;
        for (var at = 0; at < code.Length;)
        {
            var value = code[at++];
            var operation = OpCodesByValue[value == 0xFE ? (0xFE << 8) | code[at++] : value];
            if (operation.OperandType is OperandType.InlineMethod or OperandType.InlineField or OperandType.InlineType or OperandType.InlineTok)
                yield return method.Module.ResolveMember(BitConverter.ToInt32(code, at), typeArguments, methodArguments)!;
            at += operation.OperandType switch
            {
                OperandType.InlineNone => 0,
                OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
                OperandType.InlineVar => 2,
                OperandType.InlineI8 or OperandType.InlineR => 8,
                OperandType.InlineSwitch => 4 + (4 * BitConverter.ToInt32(code, at)),
                _ => 4,
            };
        }
    }

    [GeneratedRegex(@"^(public|internal) ([\w ]+ )?(class|struct|record|interface|enum|delegate [\w<>\[\]?.]+) (?<name>\w+)", RegexOptions.Multiline)]
    private static partial Regex Declaration();
}
